"""What every answer of every host carries, whoever gives it."""

SECURITY_HEADERS = frozenset(
    {
        "Content-Security-Policy",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
        "Permissions-Policy",
        "Referrer-Policy",
        "X-Content-Type-Options",
    }
)
