"""What may change an exchange on its way: phases compiled into pipelines."""
