package meta

import (
	"fmt"
	"log/slog"
)

// raftLogger tells slog what raft has to say, one level quieter: what matters of
// it, the Meta says itself. Fatal and Panic are raft's own broken invariants.
type raftLogger struct{ logger *slog.Logger }

func (l raftLogger) Debug(...any)                     {}
func (l raftLogger) Debugf(string, ...any)            {}
func (l raftLogger) Info(v ...any)                    { l.logger.Debug(fmt.Sprint(v...)) }
func (l raftLogger) Infof(format string, v ...any)    { l.logger.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Warning(v ...any)                 { l.logger.Info(fmt.Sprint(v...)) }
func (l raftLogger) Warningf(format string, v ...any) { l.logger.Info(fmt.Sprintf(format, v...)) }
func (l raftLogger) Error(v ...any)                   { l.logger.Warn(fmt.Sprint(v...)) }
func (l raftLogger) Errorf(format string, v ...any)   { l.logger.Warn(fmt.Sprintf(format, v...)) }
func (l raftLogger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l raftLogger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (l raftLogger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l raftLogger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
