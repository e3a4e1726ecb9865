"""The report page: a pure function of the results table, the params and the conditions."""
