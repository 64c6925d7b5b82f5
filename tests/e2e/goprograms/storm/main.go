// Command storm is a fleet of clients of one API server, and says whether they saw the truth: hundreds of shared
// informers of client-go, each with a connection of its own, and, while a storm lasts, connections that list without
// a pause, one that gets a Pod, one that asks for health, and watchers that never read.
//
// Commands come as lines on standard input, answers go as lines of JSON to standard output:
//
//	begin    count from now on, and start the storm of lists and probes
//	end      stop that storm; what it counted
//	seen     what the informers counted
//	digests  of the store of each informer
//	store N  what the informer of that number holds
//	check    the digest of a list of each kind, read now
//
// A first line says when all informers are in sync. The end of input ends the program.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Decoded lists of a whole cold start must not take the machine.
const memoryLimit = 2 << 30

func main() {
	log.SetFlags(0)
	debug.SetMemoryLimit(memoryLimit)
	// Reflectors complain of every watch that ends; what matters of that is counted.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)

	var server endpoint
	flag.StringVar(&server.url, "url", "", "of the server")
	flag.StringVar(&server.ca, "ca", "", "file of the server's authority")
	flag.StringVar(&server.certificate, "cert", "", "file of the client certificate")
	flag.StringVar(&server.key, "key", "", "file of its key")
	var sizes fleet
	flag.IntVar(&sizes.informers, "informers", 0, "informers of all Pods")
	flag.IntVar(&sizes.json, "full-json", 0, "of them those that decode whole Pods from JSON")
	flag.IntVar(&sizes.protobuf, "full-protobuf", 0, "and from protobuf; the others decode metadata only")
	flag.IntVar(&sizes.plainEvery, "plain-every", 4, "each informer of so many lists and watches, the others use WatchList")
	var load storm
	flag.IntVar(&load.lists, "lists", 0, "connections that list without a pause")
	flag.IntVar(&load.stalled, "stalled", 0, "watchers that never read")
	flag.BoolVar(&load.probes, "probes", false, "get a Pod and ask for health, again and again")
	flag.StringVar(&load.pod, "pod", "", "path of a Pod that stays")
	flag.StringVar(&load.namespace, "namespace", "", "to list")
	flag.StringVar(&load.label, "label", "", "label selector to list by")
	flag.Parse()

	if err := server.read(); err != nil {
		log.Fatal(err)
	}
	load.server = &server
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	informers, err := sizes.start(ctx, &server)
	if err != nil {
		log.Fatal(err)
	}
	printSynced(ctx, informers)
	serve(ctx, informers, &load)
}

// printSynced waits for all informers, which were started together, and says how that went.
func printSynced(ctx context.Context, informers []*informer) {
	started := time.Now()
	for _, each := range informers {
		if !cache.WaitForCacheSync(ctx.Done(), each.shared.HasSynced) {
			log.Fatal("an informer has ended")
		}
	}
	answer(map[string]any{"seconds": time.Since(started).Seconds(), "seen": collect(informers)})
}

func serve(ctx context.Context, informers []*informer, load *storm) {
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		command, argument, _ := strings.Cut(input.Text(), " ")
		switch command {
		case "begin":
			collect(informers)
			load.begin(ctx)
			answer(true)
		case "end":
			answer(load.end())
		case "seen":
			answer(collect(informers))
		case "digests":
			digests := make([]string, len(informers))
			for number, each := range informers {
				digests[number] = digest(each.shared.GetStore().List())
			}
			answer(digests)
		case "store":
			number, err := strconv.Atoi(argument)
			if err != nil || number >= len(informers) {
				log.Fatalf("no informer %q", argument)
			}
			answer(informers[number].contents())
		case "check":
			answer(load.check(ctx))
		default:
			log.Fatalf("no command %q", command)
		}
	}
}

func answer(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}
