"""What a field looks like as a value: columns, sorting, counts by column."""
