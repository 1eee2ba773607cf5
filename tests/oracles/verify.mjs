// Verifies tokens with jose and aws-jwt-verify.
//
// The first line of standard input is the configuration as JSON ({jwks, issuers, pool, client}). Every other line is a
// token as a JSON string. For each token, the program writes one line with two digits: the result of jose, then the
// result of aws-jwt-verify. 1 means accepted, 0 means rejected.

import { createInterface } from "node:readline";
import { CognitoJwtVerifier } from "aws-jwt-verify";
import { createLocalJWKSet, jwtVerify } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { jwks, issuers, pool, client } = JSON.parse((await lines.next()).value);

// jose has no Cognito support, so the application must check the values of `client_id` and `token_use` itself.
const keys = createLocalJWKSet(jwks);
async function jose(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["RS256"],
    issuer: issuers,
    requiredClaims: ["exp", "iss", "client_id", "token_use"],
  });
  if (payload.token_use !== "access" || payload.client_id !== client) throw new Error("wrong token_use or client_id");
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
  const results = [await accepts(jose, token), await accepts((token) => cognito.verifySync(token), token)];
  process.stdout.write(results.join("") + "\n");
}
