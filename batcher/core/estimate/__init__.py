"""What a run is going to use, cost and take, before it is started."""
