// Signing in with a user name and password: one request of Cognito's API, and its answers in words.

/** One `InitiateAuth` request, as any AWS SDK would send it. Resolves to a token or throws. */
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
    throw new Error(`No answer from ${config.embedded ? "this server" : config.endpoint}. Is it up, and does it allow requests from this origin?`);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(refusal(response.status, answer));
  const result = answer?.AuthenticationResult;
  if (!result) throw new Error(challengeMessage(answer?.ChallengeName));
  const token = config.token_use === "id" ? result.IdToken : result.AccessToken;
  if (!token) throw new Error("The pool signed you in but sent no token of the kind this server accepts.");
  return token;
}

function refusal(status, answer) {
  // `__type` may carry a namespace before a `#`; older services put a URL after a `:`.
  const type = String(answer?.__type ?? "").split("#").pop().split(":")[0];
  const message = String(answer?.message ?? answer?.Message ?? "");
  if (/SECRET_HASH|client secret/i.test(message)) {
    return "This app client has a secret, and a web page cannot keep one. Use an app client without a secret.";
  }
  if (/USER_PASSWORD_AUTH/.test(message) && /not enabled/i.test(message)) {
    return "This app client does not allow USER_PASSWORD_AUTH. Enable that flow for it, or paste a token below.";
  }
  switch (type) {
    case "UserNotConfirmedException":
      return "This account is not confirmed yet. Confirm it first, then sign in here.";
    case "PasswordResetRequiredException":
      return "This account must have its password reset before it can sign in.";
    case "TooManyRequestsException":
    case "LimitExceededException":
      return "The pool asks to slow down. Wait a moment, then try again.";
    default:
      return message || (type ? `The pool refused: ${type}.` : `The pool answered with status ${status}.`);
  }
}

function challengeMessage(name) {
  switch (name) {
    case "NEW_PASSWORD_REQUIRED":
      return "The password is right, but it is a temporary one: the pool wants a new password first. "
        + "Set a permanent one (aws cognito-idp admin-set-user-password --permanent), then sign in here.";
    case "SMS_MFA":
    case "SOFTWARE_TOKEN_MFA":
    case "EMAIL_OTP":
    case "SMS_OTP":
    case "SELECT_MFA_TYPE":
      return `The password is right, and the pool asks for a second factor (${name}). This page only knows passwords.`;
    case "MFA_SETUP":
      return "The password is right, but this account must set up a second factor first (MFA_SETUP).";
    default:
      return name
        ? `The pool asks for one more step (${name}). This page only knows passwords.`
        : "The pool answered without tokens and without a challenge.";
  }
}
