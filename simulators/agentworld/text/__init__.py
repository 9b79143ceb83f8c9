"""Words: writes descriptions, goals and rules; reads them and answers."""
