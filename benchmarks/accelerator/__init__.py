"""What one accelerator does; see `benchmarks/accelerator.sh`.

worlds     steps/s of both worlds
attention  the fused kernel against our own attention
training   tokens/s and MFU of models of 1B to 8B parameters
decoding   tokens/s of the same models
restart    a training of eight devices goes on with one
"""
