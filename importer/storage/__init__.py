"""Where uploaded files wait for their import: a folder, or a bucket of an S3-compatible service."""
