"""Evidence packages: all that is on record of a case as a zip that anybody can verify."""
