"""Files that gmjax writes and reads: models, whole or not at all."""
