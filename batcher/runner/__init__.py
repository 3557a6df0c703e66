"""Where rows, requests, the API and the checkpoint meet."""
