"""EAP inside IKE_AUTH (RFC 3748, RFC 7296 2.16): both ends of a conversation, and its methods."""
