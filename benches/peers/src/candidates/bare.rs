//! A bare signature check with a parsed key and decoded signature. It is the baseline of all ratios.

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};

use crate::material::Material;

pub struct Bare {
    key: ParsedPublicKey,
    input: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    pub fn new(material: &Material) -> Self {
        let keys: JwkSet = serde_json::from_str(&material.jwks).expect("the key set is valid");
        let header = jsonwebtoken::decode_header(&material.good).expect("the token has a header");
        let key = keys.find(&header.kid.expect("the token names its key")).expect("the key is in the set");
        let AlgorithmParameters::RSA(rsa) = &key.algorithm else { panic!("the key is RSA") };
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("the text is base64url");
        let components = RsaPublicKeyComponents { n: decode(&rsa.n), e: decode(&rsa.e) };
        let key = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("the key is valid");
        let (input, signature) = material.good.rsplit_once('.').expect("a token has three parts");
        let bare = Self { key, input: input.as_bytes().to_vec(), signature: decode(signature) };
        let (_, tampered) = material.tampered.rsplit_once('.').expect("a token has three parts");
        assert!(bare.verify() && bare.key.verify_sig(&bare.input, &decode(tampered)).is_err());
        bare
    }

    pub fn verify(&self) -> bool {
        self.key.verify_sig(&self.input, &self.signature).is_ok()
    }
}
