package temporal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

func TestHeadersAreOnEachCall(t *testing.T) {
	f := &frontend{answer: named(nil)}
	c, err := Dial(t.Context(), Options{
		Address: f.serve(t, nil), Logger: discard(),
		Headers: func(context.Context) (map[string]string, error) {
			return map[string]string{"authorization": "Bearer t"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(f.meta) < 3 {
		t.Fatalf("asked %d times, want at least 3", len(f.meta))
	}
	for i, md := range f.meta {
		if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer t" {
			t.Errorf("%s has the header %q", f.asked[i].ProtoReflect().Descriptor().Name(), got)
		}
	}
}

func TestNamespaceIsMadeIfMissing(t *testing.T) {
	denied := serviceerror.NewPermissionDenied("no", "")
	missing := serviceerror.NewNamespaceNotFound("prod")
	cases := map[string]struct {
		describe, register error
		registers          int
		place              string
		want               string // in the error, "" for none
	}{
		"exists":                  {place: "id-of-prod"},
		"missing, may be made":    {describe: missing, registers: 1, place: "id-of-prod"},
		"missing, made meanwhile": {describe: missing, register: serviceerror.NewNamespaceAlreadyExists("prod"), registers: 1, place: "id-of-prod"},
		"missing, not permitted":  {describe: missing, register: denied, registers: 1, want: "make it, with a retention of at least 48h0m0s"},
		"may not be asked about":  {describe: denied, place: "/prod"},
		"broken":                  {describe: serviceerror.NewInvalidArgument("x"), want: "read namespace prod"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			hidden, describe := 2, c.describe // looks until the caches have the new namespace
			f := &frontend{answer: func(m proto.Message) (proto.Message, error) {
				switch m.(type) {
				case *workflowservice.DescribeNamespaceRequest:
					return &workflowservice.DescribeNamespaceResponse{NamespaceInfo: &namespacepb.NamespaceInfo{Id: "id-of-prod"}}, describe
				case *workflowservice.RegisterNamespaceRequest:
					describe = nil
					return &workflowservice.RegisterNamespaceResponse{}, c.register
				}
				if hidden--; hidden > 0 && c.registers > 0 {
					return nil, missing
				}
				return nil, serviceerror.NewNotFound("no workflow")
			}}
			client, err := Dial(t.Context(), Options{
				Address: f.serve(t, nil), Namespace: "prod", Retention: 48 * time.Hour, Logger: discard(),
			})
			if err == nil {
				client.Close()
				if !strings.HasSuffix(client.Place(), c.place) {
					t.Errorf("the place is %q, want %q", client.Place(), c.place)
				}
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			made := requests[*workflowservice.RegisterNamespaceRequest](f)
			if len(made) != c.registers {
				t.Fatalf("registered %d times, want %d", len(made), c.registers)
			}
			if c.registers > 0 && made[0].GetWorkflowExecutionRetentionPeriod().AsDuration() != 48*time.Hour {
				t.Errorf("registered %v", made[0])
			}
		})
	}
}

// Both sides prove who they are, the name in the certificate is not the address, and the API key comes along.
func TestTLS(t *testing.T) {
	certFile, keyFile := keyPair(t, "temporal.example")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	raw, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	trusted.AppendCertsFromPEM(raw)
	f := &frontend{answer: named(nil)}
	address := f.serve(t, &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	})
	c, err := Dial(t.Context(), Options{
		Address: address, Logger: discard(),
		TLS:    &TLS{CAFile: certFile, CertFile: certFile, KeyFile: keyFile, ServerName: "temporal.example"},
		APIKey: func(context.Context) (string, error) { return "k1", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := f.meta[len(f.meta)-1].Get("authorization"); len(got) != 1 || got[0] != "Bearer k1" {
		t.Errorf("the key came as %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if c, err := Dial(ctx, Options{Address: address, Logger: discard()}); err == nil {
		c.Close()
		t.Error("connected in plain text")
	}
}

// TestACertificateIsRenewed: each connection comes with the certificate that the files have by then, or the one of the start while they have none.
func TestACertificateIsRenewed(t *testing.T) {
	certFile, keyFile := keyPair(t, "first.example")
	config, err := TLS{CertFile: certFile, KeyFile: keyFile}.config()
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		t.Helper()
		pair, err := config.GetClientCertificate(&tls.CertificateRequestInfo{})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return cert.DNSNames[0]
	}
	newCert, newKey := keyPair(t, "second.example")
	for _, c := range []struct{ from, to, want string }{{certFile, certFile, "first.example"}, {newCert, certFile, "first.example"}, {newKey, keyFile, "second.example"}} {
		text, err := os.ReadFile(c.from)
		if err == nil {
			err = os.WriteFile(c.to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := shown(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestUnusableOptionsSayWhatToDo(t *testing.T) {
	certFile, keyFile := keyPair(t, "temporal.example")
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		options Options
		want    string
	}{
		"no address":       {Options{Logger: discard()}, "Address and Logger must be given"},
		"no logger":        {Options{Address: "127.0.0.1:1"}, "Address and Logger must be given"},
		"authority absent": {Options{Address: "127.0.0.1:1", Logger: discard(), TLS: &TLS{CAFile: noPEM + "x"}}, "certificate authority"},
		"authority no PEM": {Options{Address: "127.0.0.1:1", Logger: discard(), TLS: &TLS{CAFile: noPEM}}, "holds no PEM certificate"},
		"only certificate": {Options{Address: "127.0.0.1:1", Logger: discard(), TLS: &TLS{CertFile: certFile}}, "both or none"},
		"only key":         {Options{Address: "127.0.0.1:1", Logger: discard(), TLS: &TLS{KeyFile: keyFile}}, "both or none"},
		"nobody there":     {Options{Address: "127.0.0.1:1", Logger: discard()}, "is it running"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := Dial(ctx, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
