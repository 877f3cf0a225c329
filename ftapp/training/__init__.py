"""Make a pair of models: vocabulary, subword vectors, masked-language-model pretraining, fine-tuning."""
