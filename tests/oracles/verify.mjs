// What two verifiers of another language say about tokens.
//
// Reads lines from standard input: first the configuration as JSON ({jwks, issuers, pool, client}), then one token a line, as a JSON string.
// Writes for each token a line of two verdicts, 1 for accepted and 0 for refused: that of jose, that of aws-jwt-verify.

import { createInterface } from "node:readline";
import { CognitoJwtVerifier } from "aws-jwt-verify";
import { createLocalJWKSet, jwtVerify } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { jwks, issuers, pool, client } = JSON.parse((await lines.next()).value);

// jose knows nothing of Cognito: the last two checks are those that its users write.
const keys = createLocalJWKSet(jwks);
async function jose(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["RS256"],
    issuer: issuers,
    requiredClaims: ["exp", "iss", "client_id", "token_use"],
  });
  if (payload.token_use !== "access" || payload.client_id !== client) throw new Error("another token");
}

const cognito = CognitoJwtVerifier.create({ userPoolId: pool, clientId: client, tokenUse: "access" });
cognito.cacheJwks(jwks);

async function accepts(verify, token) {
  try {
    await verify(token);
    return "1";
  } catch {
    return "0";
  }
}

for await (const line of lines) {
  const token = JSON.parse(line);
  const verdicts = [await accepts(jose, token), await accepts((token) => cognito.verifySync(token), token)];
  process.stdout.write(verdicts.join("") + "\n");
}
