"""Documents of clients: uploaded, inspected, shown, downloaded, deleted."""
