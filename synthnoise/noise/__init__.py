"""What cameras add to light: noise models, as tensor functions of clean planes, parameters and addresses."""
