//go:build tools

// Package tools names what is built of the old Kubernetes.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
