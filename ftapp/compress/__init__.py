"""A model folder in, variants of it out: half precision, quantized, exported, pruned, distilled; each checked against full."""
