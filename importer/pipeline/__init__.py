"""The pipeline of a job: the runner stages a file, previews or merges it, or undoes an import."""
