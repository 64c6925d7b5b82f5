package main

import (
	"net"
	"net/http"
	"os"

	"k8s.io/client-go/rest"
)

// endpoint is where the server is and who calls it.
type endpoint struct {
	url, ca, certificate, key        string
	caData, certificateData, keyData []byte
}

func (e *endpoint) read() (err error) {
	for _, file := range []struct {
		path string
		data *[]byte
	}{{e.ca, &e.caData}, {e.certificate, &e.certificateData}, {e.key, &e.keyData}} {
		if *file.data, err = os.ReadFile(file.path); err != nil {
			return err
		}
	}
	return nil
}

// config is that of a client with connections of its own: what has no dialer of its own would share them.
func (e *endpoint) config() *rest.Config {
	config := &rest.Config{Host: e.url, QPS: -1, UserAgent: "storm"}
	config.CAData, config.CertData, config.KeyData = e.caData, e.certificateData, e.keyData
	config.Dial = (&net.Dialer{}).DialContext
	return config
}

func (e *endpoint) client() (*http.Client, error) { return rest.HTTPClientFor(e.config()) }
