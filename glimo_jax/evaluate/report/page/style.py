"""The look of the page: light and dark, wide and narrow, without a script."""

CSS = """
:root { --paper: #fff; --card: #f6f8fa; --ink: #1a1f26; --faint: #5c6670;
  --line: #d8dee4; --base: #9aa7b8; --tuned: #1f5fbf; --good: #1a7f37;
  --bad: #b35900; --mark: #dbe8fb; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --card: #1d232a; --ink: #e6eaee; --faint: #9ba6b1;
    --line: #343c45; --base: #6d7b8d; --tuned: #6ca4f5; --good: #56c271;
    --bad: #f0a04b; --mark: #203654; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; } h1 { margin-bottom: .3rem; }
h2 { margin: 3rem 0 .6rem; border-top: 1px solid var(--line);
  padding-top: 1rem; } h3 { margin: 1.4rem 0 .4rem; font-size: 1rem; }
small, .faint { color: var(--faint); font-size: .82em; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .88em; }
nav a { color: var(--tuned); text-decoration: none; }
.headline { font-size: 3rem; font-weight: 650; line-height: 1;
  color: var(--tuned); margin: 1.2rem 0 .4rem; }
.warning { border-left: 4px solid var(--bad); padding-left: .7rem; }
.tiles { display: grid; gap: .8rem; margin: 1.2rem 0;
  grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
.tile { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.35rem; }
.tile i { font-style: normal; color: var(--faint); font-weight: 400; }

table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { font-weight: 600; } td small { display: block; }
.short { width: auto; } .short td { overflow-wrap: anywhere; }
pre { background: var(--card); padding: .7rem .9rem; border-radius: .5rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85em; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--tuned); }

.chart { margin: .5rem 0; }
.row { display: grid; grid-template-columns: 13rem 1fr 12rem; gap: 0 .8rem;
  align-items: center; min-height: 1.5rem; font-size: .88em; }
.row.next { margin-top: .45rem; }
.row .value { font-variant-numeric: tabular-nums; }
.track { position: relative; height: 1.1rem; background: var(--card);
  border-radius: 2px; }
.track * { position: absolute; }
.fill { left: 0; top: 0; bottom: 0; background: var(--base);
  border-radius: 2px; } .tuned .fill { background: var(--tuned); }
.whisker { top: calc(50% - 1px); height: 2px; background: var(--ink);
  opacity: .75; }
.zero { top: -.25rem; bottom: -.25rem; width: 1px; background: var(--faint); }
.dot { width: 10px; height: 10px; border-radius: 50%; margin-left: -5px;
  top: calc(50% - 5px); background: var(--base); }
.tuned .dot { background: var(--tuned); } .better .dot { background:
  var(--good); } .worse .dot { background: var(--bad); }
.stack { display: flex; height: 1.1rem; border-radius: 2px; overflow: hidden;
  background: var(--card); } .stack span { background: var(--base); }
.stack .rest { background: none; }
.stack .verified { background: var(--good); }
.stack .refuted { background: var(--bad); }
.axis { display: flex; justify-content: space-between; color: var(--faint);
  font-size: .8em; }

.curves { display: grid; gap: 1.2rem; align-items: end;
  grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; font-size: .9em; }
.plot { position: relative; height: 9rem; border-left: 1px solid var(--line);
  border-bottom: 1px solid var(--line); margin-top: .3rem; }
.plot svg { width: 100%; height: 100%; display: block; }
.plot polyline { fill: none; stroke: var(--tuned); stroke-width: 2;
  vector-effect: non-scaling-stroke; } .plot .raw { opacity: .3;
  stroke-width: 1; }
.plot line { stroke: var(--faint); stroke-dasharray: 3 3;
  vector-effect: non-scaling-stroke; }
.plot .top { position: absolute; left: .3rem; top: 0; }

.films { display: grid; gap: 1rem; align-items: end;
  grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
.films img { width: 100%; border: 1px solid var(--line);
  border-radius: .4rem; margin-top: .3rem; }
.pair { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
ol { padding-left: 1.8rem; font-size: .9em; } li { margin: .35rem 0; }
li b { color: var(--tuned); }
.scores { display: flex; flex-wrap: wrap; gap: .2rem .4rem;
  font-variant-numeric: tabular-nums; }
.scores span { background: var(--card); border-radius: .3rem;
  padding: 0 .45rem; color: var(--faint); }
.scores .chosen { background: var(--mark); color: var(--ink);
  font-weight: 600; }

@media (max-width: 640px) {
  .row { grid-template-columns: 1fr auto; } .row .track, .row .stack {
    grid-row: 2; grid-column: 1 / -1; }
  .row { margin-top: .5rem; }
  .wide, .wide tbody, .wide tr, .wide td { display: block; }
  .wide thead { display: none; }
  .wide tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .wide td { border: 0; padding: .05rem 0; display: grid;
    grid-template-columns: 9.5rem 1fr; }
  .wide td::before { content: attr(data-label); color: var(--faint); }
  .wide td:first-child { font-weight: 600; display: block; }
  .wide td:first-child::before { content: ""; }
  .wide td small { grid-column: 2; } }
"""
