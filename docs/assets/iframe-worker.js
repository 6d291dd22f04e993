// Browsers start no worker from file://, and Material searches in one. There, an iframe takes its place.
// Material's search script knows an iframe by the name IFrameWorker in the page above it.
if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame) // about:blank, which the page may write to
      const inside = this.frame.contentWindow
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => this.load(source)), Promise.resolve())
      this.load(url).then(() => this.waiting.splice(0).forEach((data) => this.postMessage(data)))
    }

    load(source) {
      return new Promise((done) => {
        const script = this.frame.contentDocument.createElement("script")
        script.src = source
        script.onload = () => done((this.ready = true))
        this.frame.contentDocument.body.append(script)
      })
    }

    postMessage(data) {
      if (!this.ready) return void this.waiting.push(data)
      const { contentWindow } = this.frame
      contentWindow.dispatchEvent(new contentWindow.MessageEvent("message", { data }))
    }

    terminate() {
      this.frame.remove()
    }
  }
  window.IFrameWorker = window.Worker = IFrameWorker
}
