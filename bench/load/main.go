// load opens many watches, or repeats reads, against one server, and says what came.
//
// It stands in for a fleet of informers: HTTP/1.1 over TLS with a client certificate, a connection each. On standard
// input a line "report" asks for one line of JSON with what came since the last one; the end of input ends it.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const sentKey = `"bench.fleetgate.io/sent":"`

// connection is what one client has seen since the last report.
type connection struct {
	lock      sync.Mutex
	events    int64
	bytes     int64
	latencies []int64 // nanoseconds
	closed    bool
}

// report is what all of them have seen.
type report struct {
	Events int64   `json:"events"`
	Bytes  int64   `json:"bytes"`
	Closed int     `json:"closed"`
	P50    float64 `json:"p50"` // milliseconds
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

func main() {
	log.SetFlags(0)
	url := flag.String("url", "", "what to read")
	mode := flag.String("mode", "watch", "watch, or read: again and again")
	count := flag.Int("connections", 1, "connections")
	ca := flag.String("ca", "", "file of the server's authority")
	certificate := flag.String("cert", "", "file of the client certificate")
	key := flag.String("key", "", "file of its key")
	flag.Parse()

	configuration := clientTLS(*ca, *certificate, *key)
	connections := make([]*connection, *count)
	var opened sync.WaitGroup
	gate := make(chan struct{}, 32) // handshakes at once
	for i := range connections {
		connections[i] = &connection{}
		opened.Add(1)
		// A transport each, so that each has a connection of its own; no HTTP/2.
		transport := &http.Transport{
			TLSClientConfig: configuration, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
			ReadBufferSize: 64 << 10, DisableCompression: true,
		}
		client := &http.Client{Transport: transport}
		go connections[i].run(client, *url, *mode, gate, sync.OnceFunc(opened.Done))
	}
	opened.Wait()
	fmt.Println("open")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		line, err := json.Marshal(collect(connections))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(line))
	}
}

func clientTLS(ca, certificate, key string) *tls.Config {
	authority, err := os.ReadFile(ca)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

var complaints atomic.Int64

func (c *connection) run(client *http.Client, url, mode string, gate chan struct{}, opened func()) {
	defer opened()
	for {
		gate <- struct{}{}
		response, err := client.Get(url)
		<-gate
		if err != nil || response.StatusCode != http.StatusOK {
			if complaints.Add(1) == 1 {
				log.Printf("%s: %v %v", url, response, err)
			}
			c.close()
			return
		}
		opened()
		if mode == "read" {
			size, err := io.Copy(io.Discard, response.Body)
			response.Body.Close()
			c.lock.Lock()
			c.events++
			c.bytes += size
			c.lock.Unlock()
			if err != nil {
				c.close()
				return
			}
			continue
		}
		c.follow(response.Body)
		c.close()
		return
	}
}

// follow counts the events of a watch and how long they were under way.
func (c *connection) follow(body io.Reader) {
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		now := time.Now().UnixNano()
		at := bytes.Index(line, []byte(sentKey))
		if at < 0 {
			continue // a bookmark
		}
		var sent int64
		for _, digit := range line[at+len(sentKey):] {
			if digit < '0' || digit > '9' {
				break
			}
			sent = sent*10 + int64(digit-'0')
		}
		c.lock.Lock()
		c.events++
		c.bytes += int64(len(line))
		c.latencies = append(c.latencies, now-sent)
		c.lock.Unlock()
	}
}

func (c *connection) close() {
	c.lock.Lock()
	c.closed = true
	c.lock.Unlock()
}

func collect(connections []*connection) report {
	var all []int64
	var sum report
	for _, c := range connections {
		c.lock.Lock()
		sum.Events += c.events
		sum.Bytes += c.bytes
		all = append(all, c.latencies...)
		if c.closed {
			sum.Closed++
		}
		c.events, c.bytes, c.latencies = 0, 0, nil
		c.lock.Unlock()
	}
	slices.Sort(all)
	if len(all) > 0 {
		milliseconds := func(share float64) float64 { return float64(all[int(share*float64(len(all)-1))]) / 1e6 }
		sum.P50, sum.P99, sum.Max = milliseconds(0.5), milliseconds(0.99), milliseconds(1)
	}
	return sum
}
