// Command millrace runs pipelines over its own log, or over any Kafka.
package main

import (
	"os"

	"github.com/millrace/millrace/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
