package log

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// attributeNames are the attributes that RFC 2253 has names for. Others are written
// as numbers.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
}

// attribute is one part of a name, its value as it stands in the certificate.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// distinguishedName writes the subject of a certificate as Java does, in the form of
// RFC 2253, because that is what principals in ACLs and mapping rules were written
// for: last part first, "CN=alice,OU=Sales,O=Example". Go's own form differs in
// which attributes it names and in what it escapes.
func distinguishedName(subject []byte) (string, error) {
	var parts []asn1.RawValue
	if rest, err := asn1.Unmarshal(subject, &parts); err != nil || len(rest) > 0 {
		return "", errors.New("the certificate's subject is malformed")
	}
	var all []string
	for _, part := range slices.Backward(parts) {
		var attributes []attribute
		if rest, err := asn1.UnmarshalWithParams(part.FullBytes, &attributes, "set"); err != nil || len(rest) > 0 {
			return "", fmt.Errorf("the certificate's subject is malformed: %w", err)
		}
		var texts []string
		for _, a := range attributes {
			texts = append(texts, a.text())
		}
		all = append(all, strings.Join(texts, "+"))
	}
	return strings.Join(all, ","), nil
}

func (a attribute) text() string {
	name, ok := attributeNames[a.Type.String()]
	value, isText := textOf(a.Value)
	if !ok || !isText {
		if !ok {
			name = a.Type.String()
		}
		return name + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	return name + "=" + escapeName(value)
}

// textOf is the value of a string; false if it is none.
func textOf(v asn1.RawValue) (string, bool) {
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagT61String, asn1.TagGeneralString:
		return string(v.Bytes), v.Class == asn1.ClassUniversal && utf8.Valid(v.Bytes)
	case asn1.TagBMPString:
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
		}
		return string(utf16.Decode(units)), v.Class == asn1.ClassUniversal && len(v.Bytes)%2 == 0
	}
	return "", false
}

// escapeName puts a backslash before what means something in a name, and before
// spaces at its ends.
func escapeName(s string) string {
	var b strings.Builder
	inner := strings.Trim(s, " ")
	lead := len(s) - len(strings.TrimLeft(s, " "))
	if inner == "" {
		return strings.Repeat(`\ `, len(s))
	}
	b.WriteString(strings.Repeat(`\ `, lead))
	for _, r := range inner {
		switch {
		case r == 0:
			b.WriteString(`\00`)
			continue
		case strings.ContainsRune(`,=+<>#;"\`, r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(`\ `, len(s)-lead-len(inner)))
	return b.String()
}
