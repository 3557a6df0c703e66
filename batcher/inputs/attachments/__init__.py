"""What rows have attached: images and documents, in a column or in a file that it names."""
