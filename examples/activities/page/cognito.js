// Signs in with a username and password through Cognito's API.

/**
 * Sends `InitiateAuth` in the same form as the AWS SDKs. Resolves to a token, or throws an error with a message for
 * the user.
 */
export async function initiateAuth(config, username, password, clientId) {
  let response;
  try {
    response = await fetch(config.endpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
      },
      body: JSON.stringify({
        AuthFlow: "USER_PASSWORD_AUTH",
        ClientId: clientId,
        AuthParameters: { USERNAME: username, PASSWORD: password },
      }),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    throw new Error(`${config.embedded ? "This server" : config.endpoint} did not respond. Check that it is running and that it allows requests from this origin.`);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(failureMessage(response.status, body));
  const result = body?.AuthenticationResult;
  if (!result) throw new Error(challengeMessage(body?.ChallengeName));
  const token = config.token_use === "id" ? result.IdToken : result.AccessToken;
  if (!token) throw new Error("The sign-in succeeded, but the response contains no token of the kind that this server accepts.");
  return token;
}

function failureMessage(status, body) {
  // `__type` may have a namespace before a `#` or a URL after a `:`.
  const type = String(body?.__type ?? "").split("#").pop().split(":")[0];
  const message = String(body?.message ?? body?.Message ?? "");
  if (/SECRET_HASH|client secret/i.test(message)) {
    return "This app client has a secret, which a web page cannot protect. Use an app client without a secret.";
  }
  if (/USER_PASSWORD_AUTH/.test(message) && /not enabled/i.test(message)) {
    return "This app client does not allow USER_PASSWORD_AUTH. Enable that flow for the client, or use “Send another token”.";
  }
  switch (type) {
    case "UserNotConfirmedException":
      return "This account is not confirmed yet. Confirm it, then sign in here.";
    case "PasswordResetRequiredException":
      return "The password of this account must be reset before the user can sign in.";
    case "TooManyRequestsException":
    case "LimitExceededException":
      return "The user pool limits the number of requests. Wait a moment, then try again.";
    default:
      return message || (type ? `The sign-in failed with ${type}.` : `The sign-in failed with status ${status}.`);
  }
}

function challengeMessage(name) {
  switch (name) {
    case "NEW_PASSWORD_REQUIRED":
      return "The password is correct but temporary. "
        + "Set a permanent one with aws cognito-idp admin-set-user-password --permanent, then sign in here.";
    case "SMS_MFA":
    case "SOFTWARE_TOKEN_MFA":
    case "EMAIL_OTP":
    case "SMS_OTP":
    case "SELECT_MFA_TYPE":
      return `The password is correct, but the user pool requires a second factor (${name}). This page supports passwords only.`;
    case "MFA_SETUP":
      return "The password is correct, but this account must set up a second factor first (MFA_SETUP).";
    default:
      return name
        ? `The user pool requires another step (${name}). This page supports passwords only.`
        : "The response contains neither tokens nor a challenge.";
  }
}
