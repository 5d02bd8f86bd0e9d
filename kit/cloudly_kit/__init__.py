"""What every service of Cloudly stands on."""
