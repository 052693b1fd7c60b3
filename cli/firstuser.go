package cli

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	millog "github.com/millrace/millrace/log"
)

// firstUser is a user who is made when a node starts and does not have him yet:
// somebody has to be let in to make the others.
type firstUser struct {
	name     string
	password passwordFile
}

func (u *firstUser) flags(c *cobra.Command) {
	u.password.name = "first-user-password-file"
	c.Flags().StringVar(&u.name, "first-user", "", "user to make if there is none of that name; with --authorize a super user")
	u.password.flag(c, "--first-user; read only when he is made")
}

// add makes the user before anybody can connect.
func (u *firstUser) add(ctx context.Context, n *millog.Node, logger *slog.Logger) error {
	if u.name == "" || n.HasUser(u.name) {
		return nil
	}
	password, err := u.password.read(nil)
	if err != nil {
		return usageError{err}
	}
	if _, err := n.AddUser(ctx, u.name, password); err != nil {
		return usageError{err}
	}
	logger.Info("the first user was made", "user", u.name)
	return nil
}
