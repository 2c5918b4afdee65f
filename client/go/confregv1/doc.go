// Package confregv1 has the generated messages and stubs of the registry's gRPC interface. Package
// confreg makes the usual calls easier; its Client.Service returns these stubs.
package confregv1
