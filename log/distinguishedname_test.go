package log

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// TestDistinguishedName holds names to what Java's X500Principal.getName() says of the
// same bytes: these are what people have in their ACLs.
func TestDistinguishedName(t *testing.T) {
	oid := func(n ...int) asn1.ObjectIdentifier { return n }
	cn, ou, o, c := oid(2, 5, 4, 3), oid(2, 5, 4, 11), oid(2, 5, 4, 10), oid(2, 5, 4, 6)
	one := func(id asn1.ObjectIdentifier, v any) []pkix.AttributeTypeAndValue {
		return []pkix.AttributeTypeAndValue{{Type: id, Value: v}}
	}
	for want, rdns := range map[string]pkix.RDNSequence{
		"":                            {},
		"CN=anna":                     {one(cn, "anna")},
		"CN=anna,OU=Shop,O=Acme,C=DE": {one(c, "DE"), one(o, "Acme"), one(ou, "Shop"), one(cn, "anna")},
		`CN=Acme\, Inc.,O=a\+b\=c\\`:  {one(o, `a+b=c\`), one(cn, "Acme, Inc.")},
		`CN=\ x y\ \ `:                {one(cn, " x y  ")},
		`CN=\ `:                       {one(cn, " ")},
		"CN=Jürgen":                   {one(cn, "Jürgen")},
		`CN=\#1\;\<\>\"`:              {one(cn, `#1;<>"`)},
		"UID=u1,DC=example":           {one(oid(0, 9, 2342, 19200300, 100, 1, 25), "example"), one(oid(0, 9, 2342, 19200300, 100, 1, 1), "u1")},
		"2.5.4.5=#130431323334":       {one(oid(2, 5, 4, 5), "1234")},
		"CN=a+OU=b":                   {{{Type: cn, Value: "a"}, {Type: ou, Value: "b"}}},
		"CN=#020105":                  {one(cn, 5)},
	} {
		der, err := asn1.Marshal(rdns)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := distinguishedName(der); got != want || err != nil {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	for _, der := range [][]byte{nil, {0x30}, {0x30, 0x01, 0x00}, {0x30, 0x02, 0x31, 0x01}, {0x30, 0x00, 0x00}} {
		if got, err := distinguishedName(der); err == nil {
			t.Errorf("%x is %q", der, got)
		}
	}
}

// FuzzDistinguishedName: any bytes give a name or an error.
func FuzzDistinguishedName(f *testing.F) {
	der, err := asn1.Marshal(pkix.Name{CommonName: "anna", Organization: []string{"Acme"}}.ToRDNSequence())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		if name, err := distinguishedName(der); err == nil && len(name) > 40*len(der) {
			t.Fatalf("%d bytes become a name of %d", len(der), len(name))
		}
	})
}
