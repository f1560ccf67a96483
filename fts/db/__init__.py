"""The gateway's database: connection, transactions, tables' common metadata and migrations."""
