{
  "targets": [
    {
      "target_name": "ascribe",
      "type": "none",
      "actions": [
        {
          "action_name": "build_native",
          "inputs": [],
          "outputs": ["<(PRODUCT_DIR)/ascribe.node"],
          "action": ["node", "scripts/build-native.js", "--config", "<(CONFIGURATION_NAME)", "--destination", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
