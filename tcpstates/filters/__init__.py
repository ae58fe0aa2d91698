"""The filter language: parse a filter, compile it for the kernel, apply it to rows."""
