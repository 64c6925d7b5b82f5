"""Who asks: authenticators that turn credentials of a request into a UserInfo, or have no opinion."""
