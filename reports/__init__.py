"""What is judged: run directories, the journal, reconciliation, the verdict and its reports."""
