package sasl

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// clientFirst is a SCRAM client's first message:
//
//	gs2 header = ("n" / "y") "," ["a=" authzid] ","
//	bare       = "n=" user "," "r=" nonce ["," extensions]
type clientFirst struct {
	gs2     string
	bare    string
	authzid string
	user    string
	nonce   string
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: SCRAM: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func parseClientFirst(token []byte) (clientFirst, error) {
	s := string(token)
	if !utf8.ValidString(s) {
		return clientFirst{}, malformed("the message is not UTF-8")
	}
	flag, rest, ok := strings.Cut(s, ",")
	authzid, bare, ok2 := strings.Cut(rest, ",")
	if !ok || !ok2 {
		return clientFirst{}, malformed("the first message has no header")
	}
	if flag != "n" && flag != "y" {
		return clientFirst{}, malformed("the first message begins with neither n nor y: channel binding is not offered")
	}
	f := clientFirst{gs2: s[:len(s)-len(bare)], bare: bare}
	var err error
	if authzid != "" {
		if f.authzid, err = saslName(authzid, "a="); err != nil {
			return f, err
		}
	}
	user, rest, _ := strings.Cut(bare, ",")
	nonce, extensions, _ := strings.Cut(rest, ",")
	if f.user, err = saslName(user, "n="); err != nil {
		return f, err
	}
	if f.nonce, ok = strings.CutPrefix(nonce, "r="); !ok || f.nonce == "" {
		return f, malformed("the first message has no nonce")
	}
	if strings.Contains(","+extensions+",", ",tokenauth=true,") {
		return f, malformed("delegation tokens are not offered")
	}
	return f, nil
}

// saslName reads a name behind its attribute, in which =2C is a comma and =3D an
// equals sign.
func saslName(s, attribute string) (string, error) {
	name, ok := strings.CutPrefix(s, attribute)
	if !ok || name == "" {
		return "", malformed("%s and a name are expected", attribute)
	}
	decoded := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name)
	if strings.Count(name, "=") != strings.Count(name, "=2C")+strings.Count(name, "=3D") {
		return "", malformed("an equals sign in a name is written =3D")
	}
	return decoded, nil
}

// clientFinal is a SCRAM client's last message:
//
//	"c=" base64(gs2 header) "," "r=" nonce ["," extensions] "," "p=" base64(proof)
type clientFinal struct {
	withoutProof string
	binding      string
	nonce        string
	proof        []byte
}

func parseClientFinal(token []byte) (clientFinal, error) {
	s := string(token)
	at := strings.LastIndex(s, ",p=")
	if at < 0 {
		return clientFinal{}, malformed("the last message has no proof")
	}
	f := clientFinal{withoutProof: s[:at]}
	binding, rest, _ := strings.Cut(f.withoutProof, ",")
	nonce, _, _ := strings.Cut(rest, ",")
	encoded, ok := strings.CutPrefix(binding, "c=")
	gs2, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return f, malformed("the last message has no channel binding")
	}
	f.binding = string(gs2)
	if f.nonce, ok = strings.CutPrefix(nonce, "r="); !ok {
		return f, malformed("the last message has no nonce")
	}
	if f.proof, err = base64.StdEncoding.DecodeString(s[at+len(",p="):]); err != nil {
		return f, malformed("the proof is not base64")
	}
	return f, nil
}
