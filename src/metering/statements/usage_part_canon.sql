-- The canonical bytes of part u of a window, in usage_window_parts.
billing.leaf_canon('usage_part', u.tenant_id, u.window_no, u.month, u.first_day, u.last_day, u.first_row, u.usage_rows, u.rows_range, u.counts, u.counts_range)
