"""What people look at: small plots for the metadata of each asset."""
