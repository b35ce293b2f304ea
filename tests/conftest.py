import torch

torch.set_num_threads(1)  # as training does; more threads than cores would only spin
