// What is asked of a new password, said beforehand; services/auth/cloudly_auth/passwords.py decides.
export const PASSWORD_RULES = "At least 10 characters, 4 of them different. Not the user name, and none of the passwords that are tried first.";
