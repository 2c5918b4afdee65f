// Package confreg is a client of the confreg configuration registry: settings that follow the registry
// by themselves, watches that lose nothing, and conditional writes that are safe to repeat.
//
// A [Client] has the calls. A [Provider] keeps the values of one config in memory: its getters neither
// wait nor fail. [Client.Watch] delivers every change of many configs, each once and in order, over
// restarts of the server. Calls that have no method here are made by [Client.Service], whose stubs are
// in the package confregv1.
//
// All types may be used by several goroutines, unless their documentation says otherwise. Nothing is
// written to standard output or standard error; a [log/slog.Logger] in [Options] hears what is worth
// knowing.
package confreg
