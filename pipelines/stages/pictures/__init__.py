"""Pictures that an image model makes: ordered, bought once for an account, found again for nothing."""
