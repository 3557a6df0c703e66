"""The work of the commands that read a checkpoint or an input and send nothing."""
