// Command custom-operator is Millrace with one operator more, ewma: the whole command
// line, with ewma known to lint, explain, run and the documentation.
package main

import (
	"os"

	"github.com/millrace/millrace/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
