"""Files of text, translated into files of the same form."""
