// A client of chat.v1, written from PROTOCOL.md. It asks one question and prints every entry of the answer as a line,
// once and in order, whatever becomes of its connections: `go run . HOST:PORT CHAT ASK_ID TEXT`
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"time"

	"golang.org/x/net/websocket"
)

type frame map[string]any // a command or an event

// client holds what it has of its answer: entries 0 to seq of epoch.
type client struct {
	host          string
	ask           frame
	answer, epoch any // nil until the question was accepted
	seq           float64
	wait          time.Duration // what the server has asked for before the next attempt
}

// connect serves one connection: true once the whole answer was read, false when the connection is over.
func (c *client) connect() bool {
	config, err := websocket.NewConfig("ws://"+c.host+"/ws", "http://"+c.host)
	if err != nil {
		return false
	}
	config.Protocol = []string{"chat.v1"}
	socket, err := websocket.DialConfig(config)
	if err != nil {
		return false
	}
	defer socket.Close()
	for {
		event := frame{}
		socket.SetReadDeadline(time.Now().Add(60 * time.Second)) // longer than the server is silent on a ping
		if err := websocket.JSON.Receive(socket, &event); err != nil {
			return false
		}
		switch event["type"] {
		case "welcome": // the same question under the same id, or on from where it is
			command := c.ask
			if c.answer != nil {
				cursor := frame{"answer": c.answer, "epoch": c.epoch, "seq": c.seq}
				command = frame{"type": "resume", "chat": c.ask["chat"], "cursors": []frame{cursor}}
			}
			websocket.JSON.Send(socket, command) // a connection that is over is noticed by the next read
		case "accepted":
			c.answer, c.epoch = event["answer"], event["epoch"]
		case "resumed":
			for _, told := range event["answers"].([]any) {
				row := told.(map[string]any)
				if row["answer"] == c.answer && row["verdict"] == "snapshot" { // void: it comes from the start
					c.epoch, c.seq = row["epoch"], -1
				}
			}
		case "chunk": // one that was there already is left out
			if event["answer"] == c.answer && event["epoch"] == c.epoch && event["seq"] == c.seq+1 {
				c.seq++
				entry, _ := json.Marshal(frame{"seq": c.seq, "chunk": event["chunk"]})
				fmt.Println(string(entry))
			}
		case "end":
			if event["answer"] == c.answer && event["seq"] == c.seq {
				websocket.JSON.Send(socket, frame{"type": "ack", "answer": c.answer, "seq": c.seq})
				return true
			}
		case "draining", "error":
			ms, later := event["retry_after_ms"].(float64)
			c.wait = time.Duration(ms) * time.Millisecond
			if event["type"] == "error" && !later {
				fmt.Fprintln(os.Stderr, event["code"], event["message"])
				os.Exit(1)
			} else if event["type"] == "error" {
				return false
			}
		}
	}
}

func main() {
	ask := frame{"type": "ask", "chat": os.Args[2], "id": os.Args[3], "text": os.Args[4]}
	c := &client{host: os.Args[1], ask: ask, seq: -1}
	for bound := 100; !c.connect(); bound = bound*2%5000 + 100 { // full jitter, unless the server has said when
		if c.wait == 0 {
			c.wait = time.Duration(rand.Intn(bound)) * time.Millisecond
		}
		time.Sleep(c.wait)
		c.wait = 0
	}
}
