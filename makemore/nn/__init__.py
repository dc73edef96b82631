"""The layers of networks, their initial weights, optimizers and schedules."""
