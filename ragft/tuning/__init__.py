"""Fine-tuning: methods (name -> configuration), formats (what is trained on) and the one training loop."""
