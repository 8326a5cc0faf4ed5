"""The sidecar under load: the real process between clients that know every answer beforehand, watched from outside."""
