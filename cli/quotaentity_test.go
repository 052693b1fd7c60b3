package cli

import "testing"

// TestQuotaEntities: a user who comes in with a certificate has commas in his name, and
// could have no quota by it.
func TestQuotaEntities(t *testing.T) {
	for from, want := range map[string]string{
		"user":                      "user (default)",
		"user/anna":                 "user anna",
		"user/ada,client-id/batch":  "client-id batch, user ada",
		"user,client-id":            "client-id (default), user (default)",
		"user/CN=anna,OU=shop,O=A":  "user CN=anna,OU=shop,O=A",
		"user/CN=a,OU=b,client-id":  "client-id (default), user CN=a,OU=b",
		"client-id/a/b,user/CN=x,y": "client-id a/b, user CN=x,y",
	} {
		e, err := parseEntity(from)
		if err != nil || entityText(e) != want {
			t.Errorf("%s: %q, %v; want %q", from, entityText(e), err, want)
		}
	}
	for _, bad := range []string{"", "users", "users/anna", "user/", "user,shop", ",user"} {
		if e, err := parseEntity(bad); err == nil {
			t.Errorf("%q is %s", bad, entityText(e))
		}
	}
}
